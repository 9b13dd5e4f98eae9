//! The seal as a whole: a synthetic company is sealed, read back, compared and tampered with.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod intruder;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod log;
#[cfg(test)]
mod once;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod run;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod stamps;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod timestamp;
