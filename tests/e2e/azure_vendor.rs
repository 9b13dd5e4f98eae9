//! Azure without our own imagination: fixtures held against the vendor's models, tokens from an issuer that is not ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidenced_replay::{Asked, Reply, Server, World};
use serde_json::{Value, json};
use xtask::venv::workspace;
use xtask::{AzureModels, Issuer};

use crate::support::{Agent, Done, contents, target};

const TENANT: &str = "00000000-0000-0000-0000-0000000000ff";
const CLIENT: &str = "00000000-0000-0000-0000-0000000000aa";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const SECRET: &str = "not-a-secret-but-nobody-may-see-it";

fn fixtures() -> PathBuf {
    workspace().join("tests/replay/azure")
}

fn world() -> World {
    World::read(&fixtures(), "world")
}

#[test]
fn what_our_fixtures_add_is_what_the_vendors_models_know() {
    let models = AzureModels::new(target()).unwrap();
    let said = models.check(&fixtures()).unwrap().unwrap_or_else(|against| panic!("{against}"));
    let judged = said.lines().find_map(|line| line.strip_suffix(" bodies judged")).unwrap();
    assert!(judged.parse::<usize>().unwrap() > 90, "{said}");

    // What the server makes up by itself, in the form of a part.
    let folder = tempfile::tempdir().unwrap();
    let world = World::of(2);
    let body = |method: &str, path: &str, body: &str| -> Value {
        serde_json::from_slice(&world.answer(&Asked::new(method, path, body.as_bytes())).body).unwrap()
    };
    let query = json!({"query": "resourcecontainers", "options": {"$top": 1}}).to_string();
    let mut page = body("POST", "/providers/Microsoft.ResourceGraph/resources", &query);
    assert_eq!(page["data"][0]["type"], "microsoft.resources/subscriptions");
    // A token is a link, and one of the members that the client's own class leaves to its caller.
    assert!(page["$skipToken"].is_string());
    page["facets"] = json!([]);
    let permissions = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/permissions");
    let made = json!({"routes": [
        {"path": "/subscriptions", "body": body("GET", "/subscriptions", "")},
        {"path": "/subscriptions/*/providers/microsoft.authorization/permissions", "body": body("GET", &permissions, "")},
        {"path": "/providers/microsoft.resourcegraph/resources", "body": page},
        {"path": "/error", "body": body("GET", "/nothing", "")},
    ]});
    std::fs::write(folder.path().join("made.json"), made.to_string()).unwrap();
    let said = models.check(folder.path()).unwrap().unwrap_or_else(|against| panic!("{against}"));
    assert!(said.ends_with("\n5 bodies judged\n") || said == "5 bodies judged\n", "{said}");
}

#[test]
fn a_body_that_the_vendors_models_do_not_know_is_refused() {
    let models = AzureModels::new(target()).unwrap();
    // One body of each sort of class: mappings, attribute maps, Microsoft Graph.
    let spoils: [(&str, &str, Value, &str); 9] = [
        ("acr.json", "/rows/0/rows/0/properties/adminUser", json!(true), "adminUser: RegistryProperties has no"),
        (
            "acr.json",
            "/rows/0/rows/0/properties/adminUserEnabled",
            json!("yes"),
            "adminUserEnabled: \"yes\" is not bool",
        ),
        (
            "acr.json",
            "/rows/0/rows/0/properties/publicNetworkAccess",
            json!("Perhaps"),
            "is not one of PublicNetworkAccess",
        ),
        ("search.json", "/rows/0/rows/0/properties/localAuth", json!(true), "localAuth: SearchService has no"),
        ("search.json", "/rows/0/rows/0/properties/disableLocalAuth", json!(1), "disableLocalAuth: 1 is not bool"),
        ("search.json", "/rows/0/rows/0/properties/networkRuleSet/ipRules", json!({}), "ipRules: {} is not a list"),
        ("entra.json", "/routes/0/body/value/0/planet", json!("Earth"), "planet: Organization has no"),
        ("entra.json", "/routes/0/body/value/0/displayName", json!(7), "displayName: 7 became null"),
        ("entra.json", "/routes/0/body/value/0/createdDateTime", json!("soon"), "createdDateTime: \"soon\" became"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut expected = vec!["microsoft.new/things is neither judged by a class nor named as not judged".to_owned()];
    for (index, (file, place, value, named)) in spoils.into_iter().enumerate() {
        let mut part: Value = serde_json::from_slice(&std::fs::read(fixtures().join(file)).unwrap()).unwrap();
        let (above, member) = place.rsplit_once('/').unwrap();
        // What is replaced must be there; what is added must not.
        let members = part.pointer_mut(above).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("{file}{above}"));
        assert_eq!(members.insert(member.to_owned(), value).is_none(), named.contains(" has no"), "{file}{place}");
        std::fs::write(folder.path().join(format!("{index}-{file}")), part.to_string()).unwrap();
        expected.push(named.to_owned());
    }
    let part = json!({"rows": [{"table": "resources", "rows": [{"id": "/a", "type": "Microsoft.New/things"}]}]});
    std::fs::write(folder.path().join("new.json"), part.to_string()).unwrap();
    let against = models.check(folder.path()).unwrap().unwrap_err();
    for named in &expected {
        assert!(against.contains(named), "{named}: {against}");
    }
    // And nothing else: one line for each.
    assert_eq!(against.trim_end().lines().count(), expected.len(), "{against}");
}

/// Azure behind an issuer that is not ours: only a bearer that it signed, for the right resource, is answered.
struct Guarded {
    server: Server,
    /// The status of each answer to a request for a token.
    tokens: Arc<Mutex<Vec<u16>>>,
    /// Why bearers were refused.
    refused: Arc<Mutex<Vec<String>>>,
    /// The signatures of tokens that were given, and of assertions: each would do in place of a secret.
    secrets: Arc<Mutex<Vec<String>>>,
    /// Whose tokens are believed (a JWK set).
    keys: Arc<Mutex<Value>>,
}

impl Guarded {
    fn start(knows: &Value) -> Self {
        let issuer = Issuer::start(target(), knows).unwrap();
        let keys = Arc::new(Mutex::new(issuer.keys().unwrap()));
        let believed = Arc::clone(&keys);
        let (tokens, refused, secrets) = (Arc::default(), Arc::default(), Arc::default());
        let guarded = Self { server: Server::start(Arc::new(World::of(0))).unwrap(), tokens, refused, secrets, keys };
        let (asked, turned_away) = (Arc::clone(&guarded.tokens), Arc::clone(&guarded.refused));
        let secrets = Arc::clone(&guarded.secrets);
        let mut world = world();
        world.with_fault(Arc::new(move |question| {
            if question.path.ends_with("/oauth2/v2.0/token") {
                let answer = issuer.token(&question.path, std::str::from_utf8(&question.body).unwrap()).unwrap();
                asked.lock().unwrap().push(answer.status);
                let form = String::from_utf8_lossy(&question.body);
                let assertion = form.split('&').find_map(|pair| pair.strip_prefix("client_assertion="));
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                let signed = [assertion, body["access_token"].as_str()].into_iter().flatten();
                secrets.lock().unwrap().extend(signed.filter_map(|jwt| jwt.rsplit('.').next()).map(str::to_owned));
                let headers = [("content-type".to_owned(), "application/json".to_owned())].into();
                return Some(Reply { status: answer.status, headers, body: answer.body.into_bytes() });
            }
            let resource = if question.path.starts_with("/v1.0/") { "graph.microsoft" } else { "management.azure" };
            let wrong = bearer(&believed.lock().unwrap(), question, &format!("https://{resource}.com")).err()?;
            turned_away.lock().unwrap().push(wrong.clone());
            Some(Reply::error(401, "InvalidAuthenticationToken", &wrong))
        }));
        Self { server: Server::start(Arc::new(world)).unwrap(), ..guarded }
    }

    /// From now on nobody's token is believed.
    fn believe_nobody(&self) {
        *self.keys.lock().unwrap() = json!({"keys": []});
    }

    /// Runs a collection with these variables, and gives the agent and what it said.
    fn collect(&self, variables: &[(&str, &str)]) -> (Agent, Done) {
        let agent = Agent::with_config(&format!(
            "agent:\n  id: test\n  state_dir: ./state\ntargets:\n  - azure:\n      endpoint_url: {}\n\
             store:\n  url: ./evidence\n",
            self.server.url()
        ));
        let agent = agent.signed_in_as(None);
        let mut command = agent.command(&["collect", "--format", "json", "-vv"]);
        command.env("AZURE_TENANT_ID", TENANT).env("AZURE_CLIENT_ID", CLIENT);
        let done = command.envs(variables.iter().copied()).output().unwrap().into();
        (agent, done)
    }
}

/// Whether a question carries a token of these keys for a resource; why not.
fn bearer(keys: &Value, question: &Asked, resource: &str) -> Result<(), String> {
    let token = question.bearer.as_deref().ok_or("no bearer")?;
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        return Err("no JWT".into());
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).map_err(|error| error.to_string());
    let kid = &read(header)?["kid"];
    let key = keys["keys"].as_array().unwrap().iter().find(|key| &key["kid"] == kid).ok_or("another key")?;
    let number = |name: &str| decoded(key[name].as_str().unwrap());
    let key = RsaPublicKeyComponents { n: number("n")?, e: number("e")? };
    let signed = format!("{header}.{claims}");
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(signature)?).map_err(|_| "not signed")?;
    let claims = read(claims)?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    if claims["aud"] != resource || claims["exp"].as_u64().unwrap() <= now {
        return Err(format!("for {}, and not for {resource}", claims["aud"]));
    }
    Ok(())
}

/// What the issuer knows: an application with a secret, and one with a certificate.
fn knows(secret: Option<&str>, certificate: Option<&str>) -> Value {
    let names = ["Application", "AuditLog", "Domain", "GroupMember", "Organization", "Policy", "User"];
    let roles = ["RoleAssignmentSchedule", "RoleEligibilitySchedule", "RoleManagement"];
    let roles: Vec<String> = names
        .iter()
        .map(|name| format!("{name}.Read.All"))
        .chain(roles.iter().map(|name| format!("{name}.Read.Directory")))
        .collect();
    let claims = json!({"oid": "00000000-0000-0000-0000-0000000000bb", "roles": roles});
    json!({"tenant": TENANT, "client": CLIENT, "secret": secret, "certificate": certificate, "claims": claims})
}

/// A key (PKCS#8) and its certificate, in one PEM file; gives the certificate alone.
fn certificate(folder: &Path, name: &str) -> (PathBuf, String) {
    let [key, certificate] = ["key", "certificate"].map(|part| folder.join(format!("{name}.{part}.pem")));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=example.com",
        "-keyout",
    ]);
    let status = openssl.arg(&key).arg("-out").arg(&certificate).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    let certificate = std::fs::read_to_string(certificate).unwrap();
    let both = folder.join(format!("{name}.pem"));
    std::fs::write(&both, std::fs::read_to_string(key).unwrap() + &certificate).unwrap();
    (both, certificate)
}

/// Nothing that a run said or wrote holds any of these words, or what the issuer gave or was given.
fn silent(azure: &Guarded, agent: &Agent, done: &Done, words: &[&str]) {
    let given = azure.secrets.lock().unwrap();
    let words: Vec<&str> = words.iter().copied().chain(given.iter().map(String::as_str)).collect();
    assert!(words.iter().all(|word| word.len() > 20), "words that are secrets");
    let mut all = vec![("stdout".to_owned(), done.stdout.clone()), ("stderr".to_owned(), done.stderr.clone())];
    let mut files = contents(&agent.store());
    files.extend(contents(&agent.folder().join("state")));
    all.extend(files.into_iter().map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned())));
    for (place, text) in all {
        for word in &words {
            assert!(!text.contains(word), "{place} holds {word}");
        }
    }
}

/// The accounts that the only run listed: id, state and reason.
fn accounts(agent: &Agent) -> Vec<(String, String, String)> {
    let files = contents(&agent.store());
    let mut documents = files.iter().filter_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
    let manifest = documents.find(|one| one["format"] == "evidenced/1" && one["accounts"].is_array()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = manifest["accounts"].as_array().unwrap().iter();
    listed.map(|one| (text(&one["account"]), text(&one["state"]), text(&one["reason"]))).collect()
}

/// Everything was read, with tokens that the issuer gave for one resource each.
fn read(azure: &Guarded, agent: &Agent, done: &Done) {
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let accounts = accounts(agent);
    assert_eq!(accounts.len(), 3, "two subscriptions and the tenant: {accounts:?}");
    assert!(accounts.iter().all(|(_, state, _)| state == "read"), "{accounts:?}");
    assert!(azure.refused.lock().unwrap().is_empty(), "{:?}", azure.refused.lock().unwrap());
    let tokens = azure.tokens.lock().unwrap().clone();
    assert!(tokens.len() >= 2 && tokens.iter().all(|status| *status == 200), "{tokens:?}");
    let findings = agent.findings();
    for verdict in ["pass", "fail"] {
        assert!(findings.iter().any(|finding| finding["verdict"] == verdict), "nothing is {verdict}");
    }
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}

/// Nothing was read, and everything says so.
fn unreachable(agent: &Agent, done: &Done) {
    assert_eq!(done.code, Some(6), "{}\n{}", done.stdout, done.stderr);
    let accounts = accounts(agent);
    let (account, state, reason) = &accounts[0];
    assert_eq!((account.as_str(), state.as_str(), accounts.len()), (TENANT, "unreachable", 1), "{accounts:?}");
    assert!(reason.contains("CredentialsNotLoaded"), "{reason}");
    let findings = agent.findings();
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding["verdict"] == "unknown"), "{findings:?}");
    agent.run(&["verify"]).expect(0);
}

#[test]
fn a_secret_buys_tokens_and_a_wrong_one_nothing() {
    let azure = Guarded::start(&knows(Some(SECRET), None));
    let (agent, done) = azure.collect(&[("AZURE_CLIENT_SECRET", SECRET)]);
    read(&azure, &agent, &done);
    silent(&azure, &agent, &done, &[SECRET]);
    assert!(azure.secrets.lock().unwrap().len() >= 2, "a token for each resource");

    let wrong = "another-one-that-nobody-may-see";
    let (agent, done) = azure.collect(&[("AZURE_CLIENT_SECRET", wrong)]);
    unreachable(&agent, &done);
    assert!(done.stderr.contains("invalid client secret"), "{}", done.stderr);
    silent(&azure, &agent, &done, &[wrong]);
    assert!(azure.tokens.lock().unwrap().contains(&401));
}

#[test]
fn a_certificate_proves_who_we_are_and_another_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (own, known) = certificate(folder.path(), "own");
    let (other, _) = certificate(folder.path(), "other");
    let azure = Guarded::start(&knows(None, Some(&known)));
    let secret_lines = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().skip(1).take(3).map(str::to_owned).collect()
    };
    for (file, good) in [(&own, true), (&other, false)] {
        let (agent, done) = azure.collect(&[("AZURE_CLIENT_CERTIFICATE_PATH", file.to_str().unwrap())]);
        if good {
            read(&azure, &agent, &done);
        } else {
            unreachable(&agent, &done);
            assert!(done.stderr.contains("another certificate"), "{}", done.stderr);
        }
        let lines = secret_lines(file);
        let words: Vec<&str> = lines.iter().map(String::as_str).collect();
        silent(&azure, &agent, &done, &words);
    }
    // Where there is no such file, nobody is asked.
    let asked = azure.tokens.lock().unwrap().len();
    let nowhere = folder.path().join("nowhere.pem");
    let (agent, done) = azure.collect(&[("AZURE_CLIENT_CERTIFICATE_PATH", nowhere.to_str().unwrap())]);
    unreachable(&agent, &done);
    assert_eq!(azure.tokens.lock().unwrap().len(), asked);
}

#[test]
fn a_token_that_azure_does_not_believe_is_a_gap() {
    // The issuer takes anybody, and the world asks for another one's tokens.
    let azure = Guarded::start(&knows(Some(SECRET), None));
    azure.believe_nobody();
    let (agent, done) = azure.collect(&[("AZURE_CLIENT_SECRET", SECRET)]);
    assert_eq!(done.code, Some(6), "{}\n{}", done.stdout, done.stderr);
    assert!(azure.refused.lock().unwrap().len() > 1);
    let findings = agent.findings();
    assert!(findings.iter().all(|finding| finding["verdict"] == "unknown"), "{findings:?}");
    silent(&azure, &agent, &done, &[SECRET]);
}
