// Package dingtalk holds tests of whole Parley processes behind a simulated DingTalk, in both modes, with and without cards, while replicas die.
package dingtalk
