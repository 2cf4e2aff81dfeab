curl -X POST -H "Content-Type: application/x-www-form-urlencoded;charset=UTF-8" --user "OAUTH_CLIENT_ID:OAUTH_CLIENT_SECRET" \
  --data-urlencode "grant_type=refresh_token" --data-urlencode "refresh_token=canary-snowflake" https://<account_identifier>.snowflakecomputing.com/oauth/token-request
