//! The two ways in which a gateway's disk stops taking anything, begun and ended for a whole [`World`].
//!
//! Not here: what the gateway does then. Invariant: after [`Broken::ends`] the disk takes everything, and another
//! process of the gateway runs on it.

use crate::World;

/// What is wrong with the disk under the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing is left of it, not even what the gateway keeps for such a time. The world has a small disk.
    Full,
    /// Its file system has given up. The world has a disk that may fail.
    ReadOnly,
}

impl Broken {
    /// From here on it takes nothing.
    pub fn begins(self, world: &World) {
        match self {
            Self::Full => {
                world.disk().fill().expect("filled");
                world.disk().eat("handfast.db.reserve").expect("no room is kept");
                take_the_last_room(world);
            }
            Self::ReadOnly => world.failing_disk().fail(),
        }
    }

    /// And the gateway is started anew.
    pub fn ends(self, world: &mut World) {
        if let Self::Full = self {
            world.disk().empty().expect("emptied");
        }
        world.bring_down();
        if let Self::ReadOnly = self {
            world.failing_disk().mend();
        }
        world.bring_up();
    }
}

/// The log of the database may have room of its own.
fn take_the_last_room(world: &World) {
    let full =
        |number| !world.try_handfast(&["user", "add", &format!("u{number}")]).status.success();
    let refused = (0..2000).map(full).take_while(|refused| !refused).count();
    assert!(refused < 2000, "the disk takes everything");
}
