// Package filelock lets one process at a time own a folder or file on local disk
// and tells the others who does.
//
// The lock is flock(2) on a small file: the kernel drops it when the owner dies,
// however it dies, so a stale file never locks anybody out. The file's text (the
// owner's process id and whatever the owner adds) is only for the message.
// Internal users: storage/meta and storage/cache. On network disks flock may be
// local to the machine; owners on two machines need another lock.
package filelock
