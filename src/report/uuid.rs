//! Identifiers made from what they name, so that equal evidence gives an equal file.

use evidenced_model::Digest;

/// What our identifiers begin with, so that nobody else's are equal to them.
const NAMESPACE: &[u8] = b"https://example.com/evidenced/ns/uuid/1";

/// The identifier of what these words name together, as a UUID.
///
/// It is made as version 5 is (RFC 9562), and says that it is one, but with SHA-256 in the place of SHA-1: OSCAL takes
/// versions 4 and 5 only. The words are hashed with their lengths, so that no two lists run into one another.
pub(crate) fn uuid(words: &[&str]) -> String {
    let lengths: Vec<[u8; 8]> = words.iter().map(|word| (word.len() as u64).to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![NAMESPACE];
    for (word, length) in words.iter().zip(&lengths) {
        parts.push(length);
        parts.push(word.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of_parts(&parts).as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::uuid;

    #[test]
    fn equal_words_give_equal_identifiers_and_others_do_not() {
        let lists: [&[&str]; 6] = [&[], &[""], &["ab"], &["a", "b"], &["", "ab"], &["ab", ""]];
        let made: BTreeSet<String> = lists.iter().map(|words| uuid(words)).collect();
        assert_eq!(made.len(), lists.len());
        assert_eq!(uuid(&["a", "b"]), uuid(&["a", "b"]));
    }

    #[test]
    fn it_has_the_form_that_oscal_asks_for() {
        for words in [["run", "x"], ["", "\u{1f600}"], ["a\n", "\0"]] {
            let made = uuid(&words);
            let parts: Vec<&str> = made.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(made.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            assert!(parts[2].starts_with('5') && parts[3].starts_with(['8', '9', 'a', 'b']), "{made}");
        }
    }
}
