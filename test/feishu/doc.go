// Package feishu holds tests of whole Parley processes behind a simulated Feishu, in both modes, with and without cards, while replicas die.
package feishu
