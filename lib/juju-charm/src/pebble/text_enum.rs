//! Enums that Pebble writes as one word. A word that a later Pebble adds is kept as it is, and never an error.

/// Declares such an enum: `Name { Variant = "word", … }`, with `Other(String)` for words not listed.
macro_rules! text_enum {
    (
        $(#[$docs:meta])*
        $name:ident { $( $(#[$variant_docs:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_docs])* $variant, )+
            /// A word that this crate does not know.
            Other(String),
        }

        impl $name {
            /// The word as Pebble writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $( $word => Self::$variant, )+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from(word.as_str()))
            }
        }
    };
}

pub(crate) use text_enum;
