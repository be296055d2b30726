// Package audit is the form of the audit log: who changed what, when and why, without what anybody wrote. Entries are a chain: each holds the
// hash of the one before, so that one that is changed, taken out or put in between is found by whoever reads the log. A chain rewritten from
// some entry to its end is found by a hash kept elsewhere: every entry is written to the process's own log, too, with its hash.
package audit
