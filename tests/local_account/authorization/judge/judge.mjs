// Reads {identities: {name: [policy]}, requests: [[identity, principal, action, resource, context]]} from
// standard input, writes one outcome for each request: "allowed", "explicitDeny", "implicitDeny", or
// "error: why" for a request that no policy could ever apply to (an unknown action, or a type of resource
// that the action does not apply to).
import { readFileSync } from "node:fs";
import { createValidatedPolicy, validateIdentityPolicy } from "@cloud-copilot/iam-policy";
import { runSimulation } from "@cloud-copilot/iam-simulate";

const OUTCOMES = { Allowed: "allowed", ExplicitlyDenied: "explicitDeny", ImplicitlyDenied: "implicitDeny" };
const { account, identities, requests } = JSON.parse(readFileSync(0, "utf8"));

const policies = Object.fromEntries(
  Object.entries(identities).map(([name, listed]) => [
    name,
    listed.map((policy, index) => ({ name: `${index}`, policy: createValidatedPolicy(policy, validateIdentityPolicy) })),
  ]),
);
const outcomes = [];
for (const [identity, principal, action, resource, contextVariables] of requests) {
  const found = await runSimulation(
    {
      request: { action, principal, resource: { resource, accountId: account }, contextVariables },
      identityPolicies: policies[identity],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  outcomes.push(
    found.resultType === "error" ? `error: ${found.errors.message}` : OUTCOMES[found.overallResult] ?? found.overallResult,
  );
}
process.stdout.write(JSON.stringify(outcomes));
