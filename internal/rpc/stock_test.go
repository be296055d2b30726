package rpc

import "errors"

func runStockServer(peerOptions) error { return errors.New("todo") }
func runStockClient(peerOptions) error { return errors.New("todo") }
