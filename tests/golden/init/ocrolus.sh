curl --request POST --url https://auth.ocrolus.com/oauth/token \
  --header 'content-type: application/x-www-form-urlencoded' \
  --data 'grant_type=client_credentials&client_id=0oa1b2c3&client_secret=canary-ocrolus%2B%2F%3D' | jq -r .access_token
