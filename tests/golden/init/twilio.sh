curl -X POST https://oauth.twilio.com/v2/token --data-urlencode "grant_type=client_credentials" --data-urlencode "client_id=OQ1" --data-urlencode "client_secret=canary-twilio"
