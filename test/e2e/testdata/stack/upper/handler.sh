read -r line
echo "$Http_Method ${line^^}"
