// oauth2-mock-server as the token endpoint of one tenant: it gives tokens to anybody, and this says who may have them.
//
// Usage: node oauth2_issuer.mjs PACKAGE, with ISSUER in the environment, as JSON:
//   tenant, client          whose token endpoint this is, and the only application that it knows
//   secret                  the application's secret, or null where it has none
//   certificate             the application's certificate (PEM), or null
//   claims                  what its tokens say beside the usual
//
// Prints the port as the first line of standard output, and ends when standard input is closed.

import { X509Certificate, constants, createHash, verify } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { OAuth2Server } = await import(pathToFileURL(join(process.argv[2], "dist/index.mjs")));
const { tenant, client, secret, certificate, claims } = JSON.parse(process.env.ISSUER);
const path = `/${tenant}/oauth2/v2.0/token`;
const seen = new Set();

/** Why an assertion of the application's certificate proves nothing, or null (RFC 7523, and the platform's own rules). */
function unproven(assertion) {
  const parts = assertion.split(".");
  if (parts.length !== 3 || certificate === null) return "no certificate is known";
  const [header, said] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  const known = new X509Certificate(certificate);
  const thumbprint = createHash("sha256").update(known.raw).digest("base64url");
  if (header.alg !== "PS256" || header["x5t#S256"] !== thumbprint) return "another certificate";
  const key = { key: known.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const signed = verify("sha256", Buffer.from(parts.slice(0, 2).join(".")), key, Buffer.from(parts[2], "base64url"));
  if (!signed) return "the signature is not that of the certificate";
  const now = Date.now() / 1000;
  if (!said.aud.endsWith(path) || said.iss !== client || said.sub !== client) return "it is about something else";
  if (said.nbf > now + 60 || said.exp < now || said.exp > now + 3600) return "it is not valid now";
  if (seen.has(said.jti)) return "it was used before";
  seen.add(said.jti);
  return null;
}

/** Why a request gets no token, or null. */
function refusal(body) {
  if (body.grant_type !== "client_credentials" || body.client_id !== client) return "no such application";
  if (!/^https:\/\/[a-z.]+\/\.default$/.test(body.scope ?? "")) return "no such scope";
  if (body.client_assertion !== undefined) {
    const kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    return body.client_assertion_type === kind ? unproven(body.client_assertion) : "no such kind of assertion";
  }
  return secret !== null && body.client_secret === secret ? null : "invalid client secret";
}

const server = new OAuth2Server(undefined, undefined, { endpoints: { token: path } });
await server.issuer.keys.generate("RS256");
server.service.on("beforeTokenSigning", (token, request) => {
  const resource = (request.body.scope ?? "").replace(/\/\.default$/, "");
  Object.assign(token.payload, { aud: resource, tid: tenant, appid: client }, claims);
});
server.service.on("beforeResponse", (response, request) => {
  const why = refusal(request.body);
  if (why === null) return;
  response.statusCode = 401;
  response.body = { error: "invalid_client", error_description: `AADSTS7000215: ${why}`, error_codes: [7000215] };
});
await server.start(0, "127.0.0.1");
console.log(server.address().port);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
