// Package nacos is the liveconfig source of Nacos: the document NAME is the dataId NAME of the group PARLEY. It is the only user of the
// configuration half of nacos-sdk-go.
//
// What the SDK (v2.3.5) does, and what this package does about it:
//
//   - It registers listeners on a tick of 5 s, so a change in a watch's first seconds would be seen late: for the first 6 s of a
//     watch, counted from the first answer, the document is also read every 500 ms. After that it is read again every 15 s, so
//     that a lost push cannot leave an instance behind for good.
//   - It falls back to a copy on disk when Nacos is down, and hands out removed documents from there as if they existed. That is
//     switched off: while Nacos is down nothing changes, and a process that starts then waits until Nacos is back.
//   - It writes every document to a cache folder and its log beside the binary: both go to a private temporary folder, which Close
//     removes, and its log lines go to slog at level debug.
//   - It ends the process when a certificate does not load: files are proved before it sees them.
//   - Its calls take no context: they run aside, and a caller whose context ends stops waiting.
package nacos
