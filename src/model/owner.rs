//! Who owns a key or a store, as far as its name says.

use crate::{Account, Provider};

/// The account that a key or store belongs to, where its URL names it: an ARN in `awskms:` and the project in
/// `gcpkms:`. The names of buckets, containers and vaults do not say whose they are, and a file is on whatever machine
/// it is on.
pub fn owner(url: &str) -> Option<(Provider, Account)> {
    let (scheme, rest) = url.split_once(':')?;
    let rest = rest.trim_start_matches('/');
    let (provider, account) = match scheme {
        // arn:PARTITION:kms:REGION:ACCOUNT:key/ID
        "awskms" => ("aws", rest.strip_prefix("arn:")?.split(':').nth(3)?),
        // projects/PROJECT/locations/…
        "gcpkms" => ("gcp", rest.strip_prefix("projects/")?.split('/').next()?),
        _ => return None,
    };
    Some((Provider::parse(provider).ok()?, Account::parse(account).ok()?))
}

/// Whether one of these accounts owns what the URL names; `None` where that cannot be told. The accounts are those
/// that were read, and those of the identities that read them.
pub fn owned_by<'a>(url: &str, accounts: impl IntoIterator<Item = (&'a Provider, &'a Account)>) -> Option<bool> {
    let (provider, account) = owner(url)?;
    let mut same_cloud = accounts.into_iter().filter(|(of, _)| **of == provider).peekable();
    // A number of one cloud says nothing about the accounts of another.
    same_cloud.peek()?;
    Some(same_cloud.any(|(_, one)| *one == account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_an_account_in_it_says_whose_it_is() {
        let account =
            |provider: &str, account: &str| (Provider::parse(provider).unwrap(), Account::parse(account).unwrap());
        let arn = "awskms:arn:aws:kms:eu-central-1:123456789012:key/1234";
        assert_eq!(owner(arn), Some(account("aws", "123456789012")));
        assert_eq!(
            owner("awskms:///arn:aws-cn:kms:cn-north-1:123456789012:key/1"),
            Some(account("aws", "123456789012"))
        );
        let project = "gcpkms:projects/example/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
        assert_eq!(owner(project), Some(account("gcp", "example")));
        for unknown in
            ["awskms:alias/evidence", "file:/key.pem", "s3://bucket", "azurekv:https://v.example/keys/k", "", "gs://b"]
        {
            assert_eq!(owner(unknown), None, "{unknown}");
        }
        let (own, other, gcp) =
            (account("aws", "123456789012"), account("aws", "111122223333"), account("gcp", "example"));
        let owned = |url: &str, accounts: &[&(Provider, Account)]| owned_by(url, accounts.iter().map(|(p, a)| (p, a)));
        assert_eq!(owned(arn, &[&other, &own]), Some(true));
        assert_eq!(owned(arn, &[&other]), Some(false));
        assert_eq!(owned(arn, &[&gcp]), None);
        assert_eq!(owned("s3://bucket", &[&own]), None);
    }
}
