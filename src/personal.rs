//! Types that hold personal data or secrets print what is named here and nothing else: what Debug says ends in logs, in error
//! texts and in the words of panics.

/// `personal!(OutgoingMail { id });` implements Debug as `OutgoingMail { id: …, .. }`.
macro_rules! personal {
    ($type:ident { $($shown:ident),* $(,)? }) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use personal;

#[cfg(test)]
mod tests {
    #[expect(dead_code, reason = "it is there to be left out")]
    struct Letter {
        id: u8,
        to: &'static str,
    }

    personal!(Letter { id });

    #[test]
    fn what_is_not_named_is_not_printed() {
        assert_eq!(format!("{:?}", Letter { id: 7, to: "maria@example.com" }), "Letter { id: 7, .. }");
    }
}
