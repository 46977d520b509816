//! Tables of JSON keys: where the values of an object stand, found in one pass over it; and the
//! orders in which an exchange is known to write them.

/// Declares a table: `keys! { struct Book { symbol, kind = "type" } }` has the value of the key
/// `symbol` in its field `symbol`, and that of `type` in `kind`. `Book::of` looks an object's keys
/// up; a key that is absent leaves an absent value. If a key is there twice, the last one counts.
///
/// `order [kind = "book", symbol, "seq", ? depth]` behind it says how objects of one sort are
/// written: their keys in this order, and no others. A name is a field of the table, with or
/// without the one text that its value has; a key in quotes is one that nobody reads; `?` stands
/// before one that may be absent. An object that is written so is read without a tape (see
/// [`super::scan`]), with the same result. Which order of several is told by trying, so that the
/// commonest comes first.
macro_rules! keys {
    ($(#[$meta:meta])* struct $table:ident { $($field:ident $(= $key:literal)?),+ $(,)? }
     $(order [ $($order:tt)+ ])*) => {
        $(#[$meta])*
        #[derive(Default)]
        struct $table<'t> { $($field: $crate::exchange::kit::cursor::Value<'t>),+ }

        impl<'t> $table<'t> {
            #[inline]
            fn of(object: $crate::exchange::kit::cursor::Value<'t>) -> Self {
                struct Names;
                #[allow(non_upper_case_globals)]
                impl Names {
                    $(const $field: &'static [u8] = keys!(@name $field $($key)?).as_bytes();)+
                }
                let mut found = Self::default();
                $(
                    let read = || {
                        let mut fields = object.fields()?;
                        let mut found = Self::default();
                        keys!(@read found, fields, b'{'; , $($order)+);
                        fields.done()?;
                        Some(found)
                    };
                    if let Some(found) = read() {
                        return found;
                    }
                )*
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
    (@name $field:ident $key:literal) => { $key };
    (@name $field:ident) => { stringify!($field) };
    // One key after the other.
    (@read $found:ident, $fields:ident, $lead:literal;) => {};
    (@read $found:ident, $fields:ident, $lead:literal; , ? $key:tt $($more:tt)*) => {
        if $fields.has(keys!(@literal $lead, $key)) {
            keys!(@value $found, $fields, $key; $($more)*);
        }
        keys!(@read $found, $fields, b','; $($more)*);
    };
    (@read $found:ident, $fields:ident, $lead:literal; , $key:ident = $word:literal
     $($more:tt)*) => {
        $fields.key(keys!(@literal $lead, $key))?;
        $found.$key = $fields.word($word)?;
        keys!(@read $found, $fields, b','; $($more)*);
    };
    (@read $found:ident, $fields:ident, $lead:literal; , $key:tt $($more:tt)*) => {
        $fields.key(keys!(@literal $lead, $key))?;
        keys!(@value $found, $fields, $key; $($more)*);
        keys!(@read $found, $fields, b','; $($more)*);
    };
    (@value $found:ident, $fields:ident, $key:literal; $($more:tt)*) => {
        $fields.pass(keys!(@next $($more)*))?;
    };
    (@value $found:ident, $fields:ident, $key:ident; $($more:tt)*) => {
        $found.$key = $fields.value(keys!(@next $($more)*))?;
    };
    // The key that follows a value.
    (@next) => { None };
    (@next , ? $key:tt $($more:tt)*) => { Some(keys!(@literal b',', $key).as_slice()) };
    (@next , $key:tt $($more:tt)*) => { Some(keys!(@literal b',', $key).as_slice()) };
    // A key as it is written, with what stands before it.
    (@literal $lead:literal, $key:literal) => { keys!(@bytes $lead, $key.as_bytes()) };
    (@literal $lead:literal, $key:ident) => { keys!(@bytes $lead, Names::$key) };
    (@bytes $lead:literal, $name:expr) => {{
        const KEY: [u8; $name.len() + 4] = $crate::exchange::kit::keys::literal($lead, $name);
        &KEY
    }};
}

/// `,"name":` with `lead` in place of the comma.
pub(in crate::exchange) const fn literal<const N: usize>(lead: u8, name: &[u8]) -> [u8; N] {
    assert!(N == name.len() + 4);
    let mut text = [b'"'; N];
    text[0] = lead;
    let mut at = 0;
    while at < name.len() {
        text[2 + at] = name[at];
        at += 1;
    }
    text[N - 1] = b':';
    text
}

pub(in crate::exchange) use keys;
