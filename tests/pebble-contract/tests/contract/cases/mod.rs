//! The cases, a module for each part of the API.

mod changes;
mod checks;
mod exec;
mod files;
mod layers;
mod logs;
mod notices;
mod services;
mod signals;
mod system;

use pebble_contract::Capability;

use crate::backends::Backend;

/// A case.
#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub needs: &'static [Capability],
    pub run: fn(&dyn Backend),
}

/// Lists the cases of a module: `name` for one that every Pebble can run, `name needs Capability` for others.
macro_rules! cases {
    ($module:literal: $( $name:ident $( needs $capability:ident )? ),+ $(,)?) => {
        pub fn cases() -> Vec<$crate::cases::Case> {
            vec![$( $crate::cases::Case {
                name: concat!($module, "::", stringify!($name)),
                needs: &[$( pebble_contract::Capability::$capability )?],
                run: $name,
            } ),+]
        }
    };
}
pub(crate) use cases;

/// All cases.
pub fn all() -> Vec<Case> {
    [
        changes::cases(),
        checks::cases(),
        exec::cases(),
        files::cases(),
        layers::cases(),
        logs::cases(),
        notices::cases(),
        services::cases(),
        signals::cases(),
        system::cases(),
    ]
    .concat()
}
