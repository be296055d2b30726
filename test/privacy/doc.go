// Package privacy proves on whole programs what is kept of people, and for how long: that who asks to be forgotten is, that messages given up
// are in the operators' hands, and that a store that fills up refuses what it could not keep. It holds tests only.
package privacy
