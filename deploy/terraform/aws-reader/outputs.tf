output "role" {
  description = "For targets[].aws.role in the config; its name does for many accounts"
  value       = one(aws_iam_role.reader[*].arn)
}

output "policy" {
  description = "In the agent's own account: attach it to the agent's role"
  value       = aws_iam_policy.read.arn
}
