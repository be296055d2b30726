// Package ledger decides whether people were shown what they should have been shown: each message answered once, by the answer to that
// very message, in order, with the right context, and nobody shown what was another's.
//
// It can tell because every question names itself ([Question]) and every answer is made from the question and the whole context that the
// model was given ([Answer]); [Check] makes the same answers again from what each person saw.
package ledger
