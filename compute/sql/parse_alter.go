package sql

func (p *parser) alter(at Pos) Statement {
	a := &Alter{At: at}
	a.Kind = p.objectKind(KindTable, KindMaterializedTable, KindView, KindDatabase)
	a.IfExists = p.accept("IF", "EXISTS")
	a.Name = p.name("")
	switch {
	case p.at("SET"):
		p.alterSet(a)
	case a.Kind == KindDatabase:
		p.unexpected("SET")
	case p.accept("RENAME"):
		p.alterRename(a)
	case p.accept("AS") && a.Kind != KindTable:
		a.Action, a.As = AlterAs, p.query()
	case a.Kind == KindView:
		p.unexpected("RENAME TO or AS")
	case p.accept("RESET"):
		p.alterReset(a)
	case p.at("ADD") || p.at("MODIFY"):
		p.alterColumns(a)
	case p.accept("DROP"):
		p.alterDrop(a)
	case a.Kind == KindMaterializedTable:
		p.alterMaterialized(a)
	default:
		p.unexpected("SET, RESET, RENAME, ADD, MODIFY or DROP")
	}
	return a
}

func (p *parser) alterSet(a *Alter) {
	p.advance()
	switch {
	case a.Kind == KindMaterializedTable && p.accept("FRESHNESS"):
		a.Action, a.Freshness = AlterFreshness, p.freshness()
	case a.Kind == KindMaterializedTable && p.accept("REFRESH_MODE"):
		p.expect("=")
		a.Action, a.RefreshMode = AlterRefreshMode, p.oneOf("FULL", "CONTINUOUS")
	default:
		a.Action, a.Options = AlterSet, p.options()
	}
}

func (p *parser) alterReset(a *Alter) {
	a.Action = AlterReset
	p.expect("(")
	for {
		a.Keys = append(a.Keys, p.stringLit(" (an option's key)"))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
}

func (p *parser) alterRename(a *Alter) {
	if p.accept("TO") {
		a.Action, a.NewName = AlterRenameTo, p.name("")
		return
	}
	p.accept("COLUMN")
	a.Action = AlterRenameColumn
	a.From = p.ident(" of a column")
	p.expect("TO")
	a.To = p.ident(" of a column")
}

// alterColumns reads ADD|MODIFY [COLUMN] column | (columns) | PRIMARY KEY | WATERMARK and ADD PARTITION.
func (p *parser) alterColumns(a *Alter) {
	a.Action = AlterAction(p.advance().upper)
	if a.Action == AlterAdd && p.at("PARTITION") {
		a.Action = AlterAddPartition
		a.Partitions = p.partitions()
		return
	}
	var e tableElements
	if p.accept("(") {
		e = p.elements()
		p.expect(")")
	} else {
		if p.at("COLUMN") && p.peek(1).kind != tokSymbol && !p.peek(2).is(";") && p.peek(2).kind != tokEOF {
			p.advance()
		}
		p.element(&e)
	}
	a.Columns, a.PrimaryKey, a.Watermark = e.columns, e.primaryKey, e.watermark
	p.needTypes(a.Columns)
}

func (p *parser) alterDrop(a *Alter) {
	switch {
	case p.accept("PRIMARY", "KEY"):
		a.Action = AlterDropPrimaryKey
	case p.at("CONSTRAINT"):
		p.advance()
		p.ident(" of the constraint")
		a.Action = AlterDropPrimaryKey
	case p.accept("WATERMARK"):
		a.Action = AlterDropWatermark
	case p.at("PARTITION"):
		a.Action, a.Partitions = AlterDropPartition, p.partitions()
	default:
		a.Action = AlterDropColumns
		if p.at("(") {
			a.Drops = p.identList(" of a column")
			return
		}
		if p.at("COLUMN") && p.peek(1).kind != tokEOF && !p.peek(1).is(";") {
			p.advance()
		}
		a.Drops = []Ident{p.ident(" of a column")}
	}
}

func (p *parser) partitions() [][]PartitionValue {
	var out [][]PartitionValue
	for p.at("PARTITION") {
		out = append(out, p.partitionSpec())
		p.accept(",")
	}
	return out
}

func (p *parser) alterMaterialized(a *Alter) {
	switch {
	case p.accept("SUSPEND"):
		a.Action = AlterSuspend
	case p.accept("RESUME"):
		a.Action = AlterResume
		if p.accept("WITH") {
			a.Options = p.options()
		}
	case p.accept("REFRESH"):
		a.Action = AlterRefresh
		if p.at("PARTITION") {
			a.Partitions = [][]PartitionValue{p.partitionSpec()}
		}
	default:
		p.unexpected("SUSPEND, RESUME, REFRESH, SET, RESET, AS, RENAME, ADD, MODIFY or DROP")
	}
}
