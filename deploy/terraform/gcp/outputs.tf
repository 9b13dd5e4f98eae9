output "store" {
  description = "For store.url in the config"
  value       = "gs://${google_storage_bucket.evidence.name}"
}

output "kms_key" {
  description = "For store.kms_key in the config; the bucket uses it by default too"
  value       = google_kms_crypto_key.evidence.id
}
