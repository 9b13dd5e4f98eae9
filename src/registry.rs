//! The one sorted list that names the clouds.

use evidenced_kit::Cloud;

/// Every cloud that this binary was built with.
pub(crate) fn clouds() -> Vec<Box<dyn Cloud>> {
    vec![
        #[cfg(feature = "aws")]
        Box::new(evidenced_aws::Aws),
        #[cfg(feature = "azure")]
        Box::new(evidenced_azure::Azure::default()),
    ]
}
