// Package figures is what the measuring programs have in common: on what and with what was measured, a sheet of rows for people, and the same
// figures as JSON.
package figures
