package chat

// Codes of errors with which a program's own request is refused, where its next step depends on more than the kind. See also [CodeNoVision].
const (
	CodeQuota    = "quota"     // the tokens of a day are spent; RetryAfter says until when
	CodeInFlight = "in_flight" // the tenant has as many turns in flight as it may have
	CodeStopped  = "suspended" // the tenant was suspended while it was answered
)
