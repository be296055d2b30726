// Package tenant reads tenant documents: who a company is, what its people may do, and its channels. Every fault of a document is
// found at once, with its line and how to mend it. Secrets are resolved through a function that keeps to the tenant's own scope.
//
// A document is decoded in two steps, because what a channel's settings mean is the channel's affair: [Decode] reads the document
// and leaves each channel a [Settings]; once the channels have been made from those, [Document.Err] has all faults, fields that
// nobody asked for included.
package tenant
