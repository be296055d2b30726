// Package nacos is the liveconfig source of Nacos: the document NAME is the dataId NAME of the group PARLEY. It is the only user of the
// configuration half of nacos-sdk-go.
//
// What the SDK (v2.3.5) does, and what this package does about it:
//
//   - It registers listeners on a tick of 5 s, so a change in a watch's first seconds would be seen late: for the first 6 s of a
//     watch, counted from the first answer, the document is also read every 500 ms.
//   - While it tells Nacos of its listeners, it takes those that are added meanwhile for told, and their pushes come only after its next
//     full round, up to 5 minutes later. Of two documents that a process watches from its start this nearly always hits the
//     second. So each is listened to anew after its first 6 s, and read for good besides: every 500 ms where one or two documents are
//     watched, as in a server; with more of them each less often, so that a process reads four a second, down to every 15 s. A
//     lost push, for whatever reason, costs a server half a second.
//   - It falls back to a copy on disk when Nacos is down, and hands out removed documents from there as if they existed. That is
//     switched off: while Nacos is down nothing changes, and a process that starts then waits until Nacos is back, unless package snapshot
//     knows better.
//   - It writes every document to a cache folder and its log beside the binary: both go to a private temporary folder, which Close
//     removes, and its log lines go to slog at level debug.
//   - It ends the process when a certificate does not load: files are proved before it sees them.
//   - Its calls take no context: they run aside, and a caller whose context ends stops waiting.
package nacos
