//! The files a device needs, written for what each system's usual client imports.
