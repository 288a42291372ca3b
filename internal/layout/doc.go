// Package layout gives the nodes of a directed graph places on a plane: layers from left to right along the edges,
// with few crossings, and bends for edges that pass other layers. It knows nothing of what the nodes are, does no
// I/O, and gives the same places for the same graph.
package layout
