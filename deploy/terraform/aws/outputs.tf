output "store" {
  description = "For store.url in the config"
  value       = trimsuffix("s3://${aws_s3_bucket.evidence.bucket}/${local.prefix}", "/")
}

output "kms_key" {
  description = "For store.kms_key in the config; the bucket uses it by default too"
  value       = aws_kms_key.evidence.arn
}

output "writer_policy" {
  description = "Attach it to the agent's role"
  value       = aws_iam_policy.writer.arn
}

output "reader_policy" {
  description = "Attach it to whoever verifies"
  value       = aws_iam_policy.reader.arn
}
