// Package deploy holds the Dockerfile and the compose file, and the test that keeps them true to the
// program: flags, environment, ports and health checks. They were not run on a container engine.
package deploy
