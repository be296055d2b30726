// Package secret resolves references to secrets. A reference is env:NAME (an environment variable), file:NAME (a file in the secrets
// folder) or age:… (a value sealed with filippo.io/age, as base64 or armored).
//
// References stand in documents that people write, so each resolves only inside its writer's own scope ([Scope]): a tenant's
// document reaches the tenant's own variables and files, the route table the providers' API keys, and the static configuration,
// which the operator of the machine writes, any. No error, log line or metric ever holds a value.
package secret
