package chat

import "net/http"

// HTTPStatus is the status with which Parley's own HTTP endpoints answer a failure of kind k.
func (k Kind) HTTPStatus() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimited:
		return http.StatusTooManyRequests
	case Overloaded, Unavailable, Billing:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	case Rejected:
		return http.StatusUnprocessableEntity
	case Canceled:
		return 499 // the client went away; nobody reads it
	default:
		return http.StatusInternalServerError
	}
}
