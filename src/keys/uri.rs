//! What names a key: `file:`, `awskms:`, `azurekv:` or `gcpkms:`, read strictly and without calling anybody.

use std::fmt;
use std::path::PathBuf;

/// The name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUri {
    /// A PEM file: `file:/path`, `file:///path` or `file:relative`.
    File(PathBuf),
    /// AWS KMS: `awskms:arn:aws:kms:REGION:ACCOUNT:key/ID`, `awskms:alias/NAME?region=REGION`.
    Aws {
        /// The key's ARN, id or alias.
        key: String,
        /// Its region: from the ARN or `?region=`; otherwise the SDK's default.
        region: Option<String>,
        /// `?endpoint_url=`, for a private endpoint or an emulator.
        endpoint: Option<String>,
    },
    /// Azure Key Vault: `azurekv:https://VAULT.vault.azure.net/keys/NAME`, with `/VERSION` for one version.
    Azure {
        /// The vault: `https://VAULT.vault.azure.net`.
        vault: String,
        /// The key.
        name: String,
        /// Its version; otherwise the newest one at the time of opening.
        version: Option<String>,
    },
    /// Google Cloud KMS: `gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`.
    Gcp {
        /// The name of the version.
        name: String,
        /// `?endpoint_url=`, for a private endpoint or an emulator.
        endpoint: Option<String>,
    },
}

/// A name that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{uri:?} is not a key: {what}")]
pub struct UriError {
    uri: String,
    what: String,
}

const EXPECTED: &str = "expected file:/path/key.pem, awskms:arn:…, azurekv:https://VAULT.vault.azure.net/keys/NAME, or \
                        gcpkms:projects/…/cryptoKeyVersions/N";

impl KeyUri {
    /// Reads a name.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        let wrong = |what: &str| UriError { uri: uri.to_owned(), what: what.to_owned() };
        let (scheme, rest) = uri.split_once(':').ok_or_else(|| wrong(EXPECTED))?;
        match scheme {
            "file" => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => Err(wrong("it names no file")),
                path => Ok(Self::File(PathBuf::from(path))),
            },
            "awskms" => Self::aws(rest).map_err(|what| wrong(&what)),
            "azurekv" => Self::azure(rest).map_err(wrong),
            "gcpkms" => Self::gcp(rest).map_err(|what| wrong(&what)),
            _ => Err(wrong(EXPECTED)),
        }
    }

    /// Where such a key lives, as the manifest says it.
    pub fn home(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Aws { .. } => "AWS KMS",
            Self::Azure { .. } => "Azure Key Vault",
            Self::Gcp { .. } => "Google Cloud KMS",
        }
    }

    fn aws(rest: &str) -> Result<Self, String> {
        let (key, [region, endpoint]) = query(rest, ["region", "endpoint_url"])?;
        let named = if let Some(arn) = key.strip_prefix("arn:") {
            match arn.split(':').collect::<Vec<_>>()[..] {
                [_, "kms", region, _, _] if !region.is_empty() => Some(region.to_owned()),
                _ => return Err("expected arn:aws:kms:REGION:ACCOUNT:key/ID".to_owned()),
            }
        } else {
            None
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
        if key.is_empty() || key == "alias/" || !key.bytes().all(allowed) {
            return Err("expected an ARN, a key id, or alias/NAME".to_owned());
        }
        Ok(Self::Aws { key, region: region.or(named), endpoint })
    }

    fn azure(rest: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "expected https://VAULT.vault.azure.net/keys/NAME, with /VERSION for one version";
        let body = rest.strip_prefix("https://").ok_or(SHAPE)?;
        let parts: Vec<&str> = body.split('/').collect();
        let word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let host = |host: &str| host.split('.').count() > 2 && host.split('.').all(word);
        let (vault, name, version) = match parts[..] {
            [vault, "keys", name] => (vault, name, None),
            [vault, "keys", name, version] => (vault, name, Some(version)),
            _ => return Err(SHAPE),
        };
        if !host(vault) || !word(name) || !version.is_none_or(word) {
            return Err(SHAPE);
        }
        Ok(Self::Azure {
            vault: format!("https://{vault}"),
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    fn gcp(rest: &str) -> Result<Self, String> {
        let (name, [endpoint]) = query(rest, ["endpoint_url"])?;
        let parts: Vec<&str> = name.split('/').collect();
        let shape = ["projects", "locations", "keyRings", "cryptoKeys", "cryptoKeyVersions"];
        let fits =
            parts.len() == 10 && parts.chunks(2).zip(shape).all(|(pair, word)| pair[0] == word && !pair[1].is_empty());
        if !fits {
            return Err("expected projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N".to_owned());
        }
        Ok(Self::Gcp { name, endpoint })
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Aws { key, .. } => write!(f, "awskms:{key}"),
            Self::Azure { vault, name, version } => {
                write!(f, "azurekv:{vault}/keys/{name}")?;
                version.as_ref().map_or(Ok(()), |version| write!(f, "/{version}"))
            }
            Self::Gcp { name, .. } => write!(f, "gcpkms:{name}"),
        }
    }
}

/// Splits off `?name=value&…`; only these names, each at most once.
fn query<const N: usize>(text: &str, names: [&str; N]) -> Result<(String, [Option<String>; N]), String> {
    let mut values = [const { None }; N];
    let (body, pairs) = text.split_once('?').unwrap_or((text, ""));
    for pair in pairs.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = names.iter().position(|known| *known == name).filter(|place| values[*place].is_none());
        let Some(place) = place.filter(|_| !value.is_empty()) else {
            return Err(format!("?{pair} is not understood; known: {}, each once", names.join(", ")));
        };
        if name == "endpoint_url" && !value.starts_with("https://") && !value.starts_with("http://") {
            return Err(format!("endpoint_url is {value:?}; expected http:// or https://"));
        }
        values[place] = Some(value.to_owned());
    }
    Ok((body.to_owned(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named() {
        for (uri, expected) in [
            ("file:/etc/key.pem", KeyUri::File("/etc/key.pem".into())),
            ("file:///etc/key.pem", KeyUri::File("/etc/key.pem".into())),
            ("file:./key.pem", KeyUri::File("./key.pem".into())),
            (
                "awskms:arn:aws:kms:eu-central-1:123456789012:key/1234-ab",
                KeyUri::Aws {
                    key: "arn:aws:kms:eu-central-1:123456789012:key/1234-ab".into(),
                    region: Some("eu-central-1".into()),
                    endpoint: None,
                },
            ),
            (
                "awskms:alias/evidence?region=eu-west-1&endpoint_url=http://127.0.0.1:5000",
                KeyUri::Aws {
                    key: "alias/evidence".into(),
                    region: Some("eu-west-1".into()),
                    endpoint: Some("http://127.0.0.1:5000".into()),
                },
            ),
            (
                "azurekv:https://example.vault.azure.net/keys/evidence/0123",
                KeyUri::Azure {
                    vault: "https://example.vault.azure.net".into(),
                    name: "evidence".into(),
                    version: Some("0123".into()),
                },
            ),
            (
                "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
                KeyUri::Gcp {
                    name: "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1".into(),
                    endpoint: None,
                },
            ),
        ] {
            assert_eq!(KeyUri::parse(uri), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn slips_are_told() {
        for (uri, word) in [
            ("key.pem", "awskms:arn"),
            ("vault:key", "awskms:arn"),
            ("file:", "no file"),
            ("awskms:", "alias/NAME"),
            ("awskms:alias/", "alias/NAME"),
            ("awskms:arn:aws:s3:::bucket", "arn:aws:kms"),
            ("awskms:alias/x?regoin=eu-west-1", "known: region"),
            ("awskms:alias/x?region=a&region=b", "each once"),
            ("awskms:alias/x?endpoint_url=127.0.0.1", "http://"),
            ("azurekv:http://example.vault.azure.net/keys/x", "https://VAULT"),
            ("azurekv:https://example.vault.azure.net/secrets/x", "/keys/NAME"),
            ("azurekv:https://localhost/keys/x", "/keys/NAME"),
            ("azurekv:https://example.vault.azure.net/keys/../x", "/keys/NAME"),
            ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "cryptoKeyVersions/N"),
        ] {
            let error = KeyUri::parse(uri).unwrap_err().to_string();
            assert!(error.contains(word), "{uri}: {error}");
        }
    }
}
