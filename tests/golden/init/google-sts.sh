curl https://sts.googleapis.com/v1/token --data-urlencode "audience=//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q" \
  -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d requested_token_type=urn:ietf:params:oauth:token-type:access_token \
  -d scope=https://www.googleapis.com/auth/cloud-platform -d subject_token_type=urn:ietf:params:oauth:token-type:jwt -d subject_token=canary-google-subject
