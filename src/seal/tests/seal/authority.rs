//! A timestamp authority made with the system's openssl: certificates, answers, and answers that no authority gives.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidenced_seal::timestamp::{Anchors, Query};
use tempfile::TempDir;

/// A kind of key, as openssl makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(pub(crate) &'static [&'static str]);

pub(crate) const P256: Kind = Kind(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
pub(crate) const P384: Kind = Kind(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
pub(crate) const RSA: Kind = Kind(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
pub(crate) const SMALL_RSA: Kind = Kind(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);

/// What makes a certificate one of an authority.
pub(crate) const STAMPS: &str = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature";
/// What makes a certificate one that signs others.
pub(crate) const SIGNS: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";

/// An authority in a folder of its own: `ca` is trusted, `tsa` stamps.
pub(crate) struct Authority {
    folder: TempDir,
}

impl Authority {
    /// An authority whose certificate the trusted one signed.
    pub(crate) fn new(kind: Kind) -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.certificate("ca", kind, "ca", SIGNS);
        authority.certificate("tsa", kind, "ca", STAMPS);
        authority.chain(&["ca"]);
        authority
    }

    /// Makes a key and a certificate that `issuer` signs; its own name is its issuer's for a trusted one.
    pub(crate) fn certificate(&self, name: &str, kind: Kind, issuer: &str, extensions: &str) {
        let [key, certificate, request, extra] = ["key", "pem", "csr", "ext"].map(|end| file(name, end));
        std::fs::write(self.path(&extra), format!("subjectKeyIdentifier=hash\n{extensions}\n")).unwrap();
        let arguments: Vec<&str> = ["genpkey", "-out", &key].iter().chain(kind.0).copied().collect();
        self.openssl(&arguments);
        let subject = format!("/O=Example/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        let fixed =
            ["x509", "-req", "-in", &request, "-days", "3650", "-sha256", "-extfile", &extra, "-out", &certificate];
        let (by, with) = (file(issuer, "pem"), file(issuer, "key"));
        let signed: Vec<&str> = if name == issuer {
            fixed.iter().chain(&["-signkey", &key]).copied().collect()
        } else {
            fixed.iter().chain(&["-CA", &by, "-CAkey", &with, "-CAcreateserial"]).copied().collect()
        };
        self.openssl(&signed);
    }

    /// Signs a trusted certificate again, for so many days.
    pub(crate) fn extend(&self, name: &str, days: &str) {
        let [key, certificate, request, extra] = ["key", "pem", "csr", "ext"].map(|end| file(name, end));
        let arguments = [
            "x509",
            "-req",
            "-in",
            &request,
            "-days",
            days,
            "-extfile",
            &extra,
            "-out",
            &certificate,
            "-signkey",
            &key,
        ];
        self.openssl(&arguments);
    }

    /// These certificates travel in every token from now on.
    pub(crate) fn chain(&self, names: &[&str]) {
        let pem = names.iter().map(|name| std::fs::read_to_string(self.path(&file(name, "pem"))).unwrap());
        std::fs::write(self.path("chain.pem"), pem.collect::<String>()).unwrap();
    }

    /// The trusted certificate.
    pub(crate) fn anchors(&self) -> Anchors {
        Anchors::open(&self.path("ca.pem")).unwrap()
    }

    /// Answers a request, as `openssl ts` does.
    pub(crate) fn answer(&self, query: &Query) -> Vec<u8> {
        self.answer_with(query, "sha256")
    }

    /// Answers with another digest of what is signed.
    pub(crate) fn answer_with(&self, query: &Query, digest: &str) -> Vec<u8> {
        let config = format!(
            "[tsa]\ndefault_tsa = this\n[this]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\n\
             certs = chain.pem\nsigner_digest = {digest}\ndefault_policy = 1.2.3.4.1\nother_policies = 1.2.3.4.2\n\
             digests = sha256\naccuracy = secs:1, millisecs:500\nclock_precision_digits = 3\nordering = yes\n\
             tsa_name = yes\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n"
        );
        std::fs::write(self.path("ts.cnf"), config).unwrap();
        std::fs::write(self.path("query"), query.der()).unwrap();
        self.openssl(&["ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-out", "answer"]);
        std::fs::read(self.path("answer")).unwrap()
    }

    /// Whether `openssl ts -verify` accepts an answer to this request, nonce included.
    pub(crate) fn openssl_accepts(&self, answer: &[u8], query: &Query) -> bool {
        std::fs::write(self.path("stored.tsr"), answer).unwrap();
        std::fs::write(self.path("query"), query.der()).unwrap();
        let arguments = [
            "ts",
            "-verify",
            "-in",
            "stored.tsr",
            "-queryfile",
            "query",
            "-CAfile",
            "ca.pem",
            "-untrusted",
            "chain.pem",
        ];
        self.run(&arguments).status.success()
    }

    /// An answer with any content, signed by any certificate: what somebody who is no authority could make.
    pub(crate) fn forge(&self, content: &[u8], signer: &str, options: &[&str]) -> Vec<u8> {
        std::fs::write(self.path("content"), content).unwrap();
        let (certificate, key) = (file(signer, "pem"), file(signer, "key"));
        let fixed = [
            "cms",
            "-sign",
            "-binary",
            "-nodetach",
            "-nosmimecap",
            "-outform",
            "DER",
            "-in",
            "content",
            "-md",
            "sha256",
            "-signer",
            &certificate,
            "-inkey",
            &key,
            "-certfile",
            "chain.pem",
            "-out",
            "forged",
        ];
        let of_type = ["-econtent_type", "1.2.840.113549.1.9.16.1.4"];
        let typed = if options.contains(&"-econtent_type") { &[][..] } else { &of_type };
        self.openssl(&fixed.iter().chain(typed).chain(options).copied().collect::<Vec<_>>());
        granted(&std::fs::read(self.path("forged")).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("openssl").args(arguments).current_dir(self.folder.path()).output().expect("openssl runs")
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn file(name: &str, end: &str) -> String {
    format!("{name}.{end}")
}

/// `TimeStampResp { status granted, token }`.
pub(crate) fn granted(token: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&[2, 1, 0]]), token])
}

/// DER of a sequence.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = body.len();
    let mut der = vec![0x30];
    match length {
        0..0x80 => der.push(u8::try_from(length).unwrap()),
        0x80..0x100 => der.extend([0x81, u8::try_from(length).unwrap()]),
        _ => {
            der.push(0x82);
            der.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    der.extend(body);
    der
}

/// The `TSTInfo` in an answer, found by its type's identifier.
pub(crate) fn content(answer: &[u8]) -> Vec<u8> {
    let marker = [6, 11, 42, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 16, 1, 4];
    let at = answer.windows(marker.len()).position(|window| window == marker).unwrap() + marker.len();
    // Explicitly tagged, then an octet string.
    value(value(&answer[at..])).to_vec()
}

/// The value of the DER element at the beginning of these bytes.
fn value(bytes: &[u8]) -> &[u8] {
    let (begin, length) = match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        short => (2, usize::from(short)),
    };
    &bytes[begin..begin + length]
}
