package main

import (
	"strconv"

	"github.com/weir-lake/weir/web/api"
)

// settings are the service's, for people who may not see the command line. Secrets are left out.
func (o serviceOptions) settings() []api.Setting {
	database := "SQLite in the data folder"
	if o.MetaDSN != "" {
		database = "PostgreSQL" // the DSN may hold a password
	}
	return []api.Setting{
		{Name: "warehouse", Value: o.Warehouse}, {Name: "data", Value: o.Data}, {Name: "listen", Value: o.Listen},
		{Name: "epoch", Value: o.Epoch.String()}, {Name: "memory", Value: strconv.FormatInt(o.Memory, 10)}, {Name: "meta", Value: database},
		{Name: "state-memory", Value: strconv.FormatInt(o.StateMemory, 10)}, {Name: "pin-age", Value: o.PinAge.String()},
	}
}
