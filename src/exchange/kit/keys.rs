//! Tables of JSON keys: where the values of an object stand, found in one pass over it.

/// Declares a table: `keys! { struct Book { symbol, kind = "type" } }` has the value of the key
/// `symbol` in its field `symbol`, and that of `type` in `kind`. `Book::of` looks an object's keys
/// up; a key that is absent leaves an absent value. If a key is there twice, the last one counts.
macro_rules! keys {
    ($(#[$meta:meta])* struct $table:ident { $($field:ident $(= $key:literal)?),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Default)]
        struct $table<'t> { $($field: $crate::exchange::kit::cursor::Value<'t>),+ }

        impl<'t> $table<'t> {
            #[inline]
            fn of(object: $crate::exchange::kit::cursor::Value<'t>) -> Self {
                struct Names;
                #[allow(non_upper_case_globals)]
                impl Names {
                    $(const $field: &'static [u8] = keys!(@ $field $($key)?).as_bytes();)+
                }
                let mut found = Self::default();
                for (key, value) in object.entries() {
                    match key {
                        $(Names::$field => found.$field = value,)+
                        _ => {}
                    }
                }
                found
            }
        }
    };
    (@ $field:ident $key:literal) => { $key };
    (@ $field:ident) => { stringify!($field) };
}

pub(in crate::exchange) use keys;
