//! Keys that live in a key service, and authorities that stamp the time: what signs and stamps from outside.
