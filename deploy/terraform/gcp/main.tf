# A bucket for evidence that nobody can rewrite: object retention, versions, one KMS key, and a role that can add
# objects and nothing else. Best in a project of its own, apart from the projects that are read.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

data "google_storage_project_service_account" "storage" {
  project = var.project
}

resource "google_kms_key_ring" "evidence" {
  project  = var.project
  name     = var.bucket
  location = lower(var.location)
}

resource "google_kms_crypto_key" "evidence" {
  name            = "evidence"
  key_ring        = google_kms_key_ring.evidence.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = google_kms_crypto_key.evidence.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.storage.email_address}"
}

resource "google_storage_bucket" "evidence" {
  project                     = var.project
  name                        = var.bucket
  location                    = var.location
  enable_object_retention     = true
  public_access_prevention    = "enforced"
  uniform_bucket_level_access = true

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.evidence.id
  }

  soft_delete_policy {
    retention_duration_seconds = 7776000
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_project_iam_custom_role" "writer" {
  project     = var.project
  role_id     = "evidenceWriter"
  title       = "Evidence writer"
  description = "Adds evidence and locks it, and can neither delete it nor lift its lock"
  permissions = [
    "storage.buckets.get",
    "storage.objects.create",
    "storage.objects.get",
    "storage.objects.list",
    "storage.objects.setRetention",
    "storage.objects.update",
  ]
}

resource "google_storage_bucket_iam_member" "writer" {
  bucket = google_storage_bucket.evidence.name
  role   = google_project_iam_custom_role.writer.id
  member = var.writer
}

resource "google_project_iam_custom_role" "reader" {
  project     = var.project
  role_id     = "evidenceReader"
  title       = "Evidence reader"
  description = "Reads and verifies evidence"
  permissions = ["storage.buckets.get", "storage.objects.get", "storage.objects.list"]
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = toset(var.readers)
  bucket   = google_storage_bucket.evidence.name
  role     = google_project_iam_custom_role.reader.id
  member   = each.value
}
