//! `evidenced keygen`: a signing key, and its public half beside it.

use std::io::Write as _;

use evidenced_seal::{Passphrase, PemSigner, Signer as _};

use super::Context;
use crate::args::{Format, Keygen};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;

pub(crate) fn run(context: &Context, options: &Keygen) -> Result<Exit, Ended> {
    let usage = |error: evidenced_seal::KeyError| Ended::new(Exit::Usage, error.to_string());
    let passphrase = options.encrypt.as_deref().map(Passphrase::open).transpose().map_err(usage)?;
    let signer = PemSigner::generate_with(&options.file, passphrase.as_ref()).map_err(usage)?;
    let key = signer.public_key();
    let public = options.file.with_extension("pub.pem");
    let written = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&public)
        .and_then(|mut file| file.write_all(key.to_pem().as_bytes()));
    written.map_err(|error| {
        let message = format!("{} cannot be written: {error}; the private key is there already", public.display());
        Ended::new(Exit::Usage, message)
    })?;
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(&serde_json::json!({
            "key": options.file, "public_key": public, "fingerprint": format!("sha256:{}", key.id()),
        }))?;
    } else {
        lines.text(format!("private key  {} (mode 0600; name it in seal.key as file:PATH)", options.file.display()))?;
        lines.text(format!("public key   {} (give it to whoever verifies)", public.display()))?;
        lines.text(format!("fingerprint  sha256:{}", key.id()))?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}
