// Package outlet holds tests of whole Parley processes about the way out to a platform: what a platform drops without a word never goes there,
// and what it refuses until an operator mends it is kept and sent then. The platform keeps its true limits here.
package outlet
