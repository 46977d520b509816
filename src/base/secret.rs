//! Text that must be seen by nobody: keys, passwords, tokens. Cannot be printed, written as JSON or
//! copied by accident, and is wiped from memory when dropped.

use zeroize::Zeroizing;

/// A key, a password or a token.
#[derive(PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself. The caller lets it out of sight: it goes into a signature or a request, and
    /// never into words for a person.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

/// Does not compile if `$type` implements `$trait`: then two traits offer the constant.
macro_rules! never {
    ($type:ty: $($trait:path),+) => {$(
        const _: () = {
            trait Either<Which> {
                const FOUND: () = ();
            }
            impl<T> Either<()> for T {}
            struct Implemented;
            impl<T: $trait> Either<Implemented> for T {}
            <$type as Either<_>>::FOUND
        };
    )+};
}

never!(Secret: std::fmt::Debug, std::fmt::Display, serde::Serialize, Clone, std::hash::Hash);
never!(Secret: std::ops::Deref, std::borrow::Borrow<str>, AsRef<str>, AsRef<[u8]>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_text_and_is_wiped_when_dropped() {
        let secret = Secret::from("Cb9xkQ2mVn".to_owned());
        assert_eq!(secret.expose(), "Cb9xkQ2mVn");
        // Dropping it is dropping this, whose drop writes zeros over the text.
        let Secret(text) = secret;
        let _: Zeroizing<String> = text;
        assert!(std::mem::needs_drop::<Secret>());
    }
}
