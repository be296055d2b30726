package archtest

// permission lets the packages of one pattern import those of another. "x/..." is x and everything below it.
type permission struct {
	from, to string
	why      string
}

// everywhere are the packages that all others may import.
var everywhere = []string{"internal/chat", "internal/jsonstr", "internal/telemetry"}

// permissions are the imports allowed besides a folder's own parents and everywhere.
var permissions = []permission{
	{"cmd/...", "internal/app", "main is flags, signals and Run"},
	{"cmd/...", "internal/app/operate", "as above, for the operators' commands"},
	{"cmd/...", "internal/app/wire", "what main gives a role or a command, and the exit status of its error"},
	{"internal/app", "internal/...", "the wiring of whole programs; the page of dev runs commands"},
	{"internal/app/operate", "internal/...", "a command sees all that the roles run: documents, registry, store"},
	{"internal/app/wire", "internal/...", "what configuration names is opened in one way, for roles and commands"},
	{"internal/app/dev", "internal/sim/...", "the page shows the simulated platform"},
	{"internal/app/console", "internal/app/operate", "the page does what the commands do, by the same functions"},
	{"internal/app/console", "internal/app/wire", "in whose name a page acts"},
	{"internal/app/console", "internal/audit", "logins are entered in the audit log"},
	{"internal/app/console", "internal/liveconfig", "of two who publish at once one is told so"},
	{"internal/channel/all", "internal/channel/...", "the one list of channels"},
	{"internal/llm/all", "internal/llm/...", "the one list of providers"},
	{"internal/redisstore", "internal/conversation", "a store takes and returns the types of the port that it implements"},
	{"internal/redisstore", "internal/channel", "as above, for what channels keep"},
	{"internal/telemetry", "internal/chat", "a failed span says its error's kind, not its words"},
	{"internal/redisstore", "internal/audit", "the log is kept as it was sealed"},
	{"internal/memstore", "internal/conversation", "as above"},
	{"internal/memstore", "internal/channel", "as above"},
	{"internal/rpc/...", "api/...", "the only user of the wire contract"},
	{"internal/rpc", "internal/nacoslogin", "both halves of Nacos's SDK log in in one way"},
	{"internal/liveconfig/nacos", "internal/nacoslogin", "as above"},
	{"internal/llm/...", "internal/route", "a provider and model are picked from the live route table"},
	{"test/...", "...", "tests of whole programs"},
}

// testPermissions hold for _test.go files and for conformance suites in addition.
var testPermissions = []permission{
	{"...", "internal/sim/...", "simulators speak the real wire formats"},
	{"...", "internal/memstore", "the real store without a server"},
	{"...", "test/realdeps", "real servers"},
	{"internal/app/console", "internal/config", "a console is tested over what a role opens"},
	{"internal/app/console", "internal/conversation", "as above"},
	{"internal/app/console", "internal/redisstore", "as above"},
}

// suites are the conformance suites of the ports. They may import their parent, and every test may import them.
var suites = []string{"internal/conversation/storetest", "internal/channel/channeltest", "internal/llm/llmtest"}

// fence keeps an outside SDK in the folders that own it.
type fence struct {
	sdk   string // a module or package path; everything below it is fenced, too
	rooms []string
	tests bool // tests elsewhere may use it, to look from outside at what Parley did
}

var fences = []fence{
	{"dubbo.apache.org/dubbo-go", []string{"internal/rpc/..."}, false},
	{"github.com/nacos-group/nacos-sdk-go", []string{"internal/rpc/...", "internal/liveconfig/nacos", "internal/nacoslogin"}, true},
	{"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client", []string{"internal/rpc/..."}, true},
	{"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client", []string{"internal/liveconfig/nacos"}, true},
	{"github.com/redis/go-redis", []string{"internal/redisstore/..."}, true},
	{"github.com/alicebob/miniredis", []string{"internal/app"}, true},
	{"github.com/silenceper/wechat", []string{"internal/channel/wecom/..."}, false},
	{"github.com/sashabaranov/go-openai", []string{"internal/llm/openai/..."}, true},
	{"github.com/tiktoken-go/tokenizer", []string{"internal/llm/..."}, false},
	{"github.com/spf13/cobra", []string{"cmd/..."}, false},
	{"filippo.io/age", []string{"internal/secret/..."}, true},
	{"golang.org/x/crypto", []string{"internal/app/console"}, false},
	{"google.golang.org/grpc", []string{"internal/rpc/..."}, true},
	{"go.opentelemetry.io/otel", []string{"internal/telemetry"}, true},
}

// badNames say nothing of what a folder holds.
var badNames = []string{"pkg", "util", "utils", "common", "model", "models", "service", "services", "types", "helper", "helpers", "misc"}

// stateRooms may have mutable package state: programs and their wiring.
var stateRooms = []string{"cmd/...", "internal/app/...", "test/..."}

// pureCalls may initialise a package variable: what they return is never changed by use.
var pureCalls = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "sync.OnceValue", "sync.OnceValues", "sync.OnceFunc",
	"template.Must", "template.ParseFS", "netip.MustParsePrefix", "redis.NewScript",
}

// global is package state that is allowed all the same: what an SDK makes process-wide, set once, in one place.
type global struct {
	dir, name string
	why       string
}

var globals = []global{
	{"internal/rpc", "installed", "dubbo-go and the Nacos SDK keep extensions and loggers per process"},
}

// Lines of one file, tests included and generated code left out.
const (
	maxLines  = 800
	wantLines = 500 // above it a file is named by `go test -v`
)
