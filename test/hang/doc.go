// Package hang lets each outside party of whole programs hang: it takes connections and never answers, or not to the end. People must get a
// text within the limits all the same, and the processes must be as small afterwards as before. It holds tests only.
package hang
