curl -i -X POST "https://api.box.com/oauth2/token" -H "content-type: application/x-www-form-urlencoded" -d "client_id=[CLIENT_ID]" \
     -d "client_secret=canary-box" -d "grant_type=client_credentials" -d "box_subject_type=enterprise" -d "box_subject_id=123456789"
