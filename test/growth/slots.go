package main

import (
	"fmt"
	"slices"
)

const (
	slots  = 16384 // of a Redis Cluster
	shards = 16    // of a tenant
)

// fullestShare is the share of all load that the fullest of n masters gets, with slots dealt out evenly: a tenant's conversations lie in
// 16 shards, each of one hash tag. It is the median over names that tenants may have, since the names decide.
func fullestShare(tenants, n int) float64 {
	const tries = 21
	worst := make([]float64, tries)
	for try := range tries {
		load := make([]float64, n)
		for t := range tenants {
			for i := range shards {
				tag := fmt.Sprintf("company-%d-%d:%02d", try, t, i)
				load[slot(tag)*n/slots] += 1 / float64(tenants*shards)
			}
		}
		worst[try] = slices.Max(load)
	}
	slices.Sort(worst)
	return worst[tries/2]
}

// slot is where Redis Cluster keeps a hash tag: CRC16 (XMODEM) modulo 16384, as its specification has it.
func slot(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
