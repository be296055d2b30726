// Package kubernetes tests what deploy/ has for Kubernetes, without a cluster: it renders the chart with the real helm, decodes each document
// strictly into the types of the Kubernetes API, and judges what a schema cannot: that selectors select, ports exist, networks let through what
// is needed and no more, pods are given the time that turns take, and the product accepts the configuration as the pods get it.
//
// It is a module of its own, so that Parley needs no library of Kubernetes.
package kubernetes
