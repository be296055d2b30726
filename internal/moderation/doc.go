// Package moderation finds what nobody is to see: words of a list, in whole texts and in answers that are still coming, and what a company's own hook
// refuses.
//
// Words are compared in a normal form: without case, width, accents and invisible characters. A word with a letter of Chinese, Japanese or Korean is found
// through whatever stands between its characters (spaces, punctuation, symbols); any other only between letters that are not its own, so that "ass" is
// not found in "class". Simplified and traditional characters are different words.
package moderation
